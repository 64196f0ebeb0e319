"""A data set in other forms: JSON, XML, whole, or what a search finds it by."""
