"""A page's bytes: where its head ends, in HTML, in XHTML and in a content coding."""
