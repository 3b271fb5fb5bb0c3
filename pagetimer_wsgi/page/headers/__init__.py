"""A page's headers: what they say to caches, of its ETag, and of what may run in it."""
