"""What people look at: a page without JavaScript, and its figures as JSON and CSV."""
