"""What training needs: losses, optimisers, the state that changes, step and epoch, checkpoints."""
