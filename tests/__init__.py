"""What Gherkin should not say, in a folder for each part of the project."""
