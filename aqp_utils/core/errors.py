"""What stops a run, in one sentence."""


class RunError(RuntimeError):
    """A run folder that cannot be used as it is.

    Attributes
    ----------
    problem, remedy : str
        What is wrong, and what to do about it; the message is both.
    """

    def __init__(self, problem, remedy=""):
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem, self.remedy = problem, remedy


class NotebookError(RunError):
    """A notebook stopped; the message names it, the cell, the error and the partial copy."""
