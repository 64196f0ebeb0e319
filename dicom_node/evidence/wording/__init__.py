"""The words a reader gets, the same in report, presentation state, picture and page."""
