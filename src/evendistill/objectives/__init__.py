"""Training objectives: one margin loss under one vector of class costs, and who moves the costs."""
