"""Questions about page views, and their answers as tables and files."""
