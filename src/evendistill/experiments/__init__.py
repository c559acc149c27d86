"""Recipes, grids of runs, engines, selection and reports."""
