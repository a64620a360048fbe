"""How a stage is trained: engine, optimizer, loop, checkpoints, and the verdict on its curve."""
