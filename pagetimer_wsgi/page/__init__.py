"""What goes out: which responses are pages, where their head ends, and the tag that goes in."""
