"""What comes in: beats, and the calls of the two older packages."""
