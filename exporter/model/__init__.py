"""The words of the program: values without behaviour that all rooms share. Pure, and imports nothing of the house."""
