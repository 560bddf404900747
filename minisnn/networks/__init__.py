"""A network as data: stages, what is made of them, the papers' networks, their description and cost."""
