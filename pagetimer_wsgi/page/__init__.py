"""What goes out: which responses are pages, where their head ends, and the tag that goes in."""

Headers = list[tuple[str, str]]
"""Names and values, as WSGI gives them."""
