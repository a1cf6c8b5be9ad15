"""What is told of calls to models while they happen: a line of the log, metrics, spans. All three are
made in one place, `ended`, from a call that is in the books. None of them holds what anybody said, unless
the operator asks for prompts in spans."""
