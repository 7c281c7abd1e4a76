"""rocfuse: several GEMMs and their elementwise combine as one AMD GPU kernel."""

__version__ = "0.1.0"
