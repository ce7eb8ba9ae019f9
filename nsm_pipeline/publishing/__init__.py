"""Certified rows → a versioned extract for BI tools, with a descriptor, switched in one atomic step."""
