"""What an operator has done to the whole house: rebuild an index or the roll-ups, compare the counts."""
