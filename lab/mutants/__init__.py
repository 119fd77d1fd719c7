"""Changes that the suite must notice, each made for real and put through the features."""
