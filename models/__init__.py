"""Clean tables to forecasts: counts and exposure, base rates, both random forests, backtest."""
