"""No op classes: upstream's module first defines one for every op, and rocfuse makes plain `ir.Operation`s of them."""
