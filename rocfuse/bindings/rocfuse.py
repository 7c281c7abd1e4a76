"""No op classes: rocfuse ops are plain `ir.Operation`s. Found here once, the module is not looked for at every op."""
