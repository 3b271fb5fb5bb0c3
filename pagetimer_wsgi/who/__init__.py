"""Who is reading: environ, cookies and tokens in; user and session out."""
