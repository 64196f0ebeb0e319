"""What a data set holds, before anything learns from it: one page to look at."""
