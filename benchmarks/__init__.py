"""Measurements of trunkline on real prompts and real clocks; not part of the package."""
