"""Tests: they mirror the rooms; what crosses rooms stands here."""
