"""How long your users really spend on each page of a Python web application."""
