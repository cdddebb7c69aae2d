"""Clean tables to forecasts: counts and exposure, base rates, both random forests, backtest.

Input: a build with clean tables. Output: its forecast tables, scores and model card.
"""
