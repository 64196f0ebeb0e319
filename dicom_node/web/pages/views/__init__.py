"""One page each: a query, a view model, a template."""
