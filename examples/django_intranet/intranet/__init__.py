"""The intranet of a harbour office; ``wsgi.py`` says how it is started."""
