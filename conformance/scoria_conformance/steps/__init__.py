"""The steps of the features: what each line of Gherkin does and asserts."""
