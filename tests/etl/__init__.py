"""Tests of etl/."""
