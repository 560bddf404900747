"""The papers' tables and figures, each as one command: its runs, its picture, the paper's values beside ours."""

from __future__ import annotations

from minisnn.targets import (
    esl_fig2,
    esl_fig3,
    esl_fig4,
    esl_multispike,
    esl_table1,
    esl_table2,
    sca_fig2,
    sca_fig3,
    sca_fig4,
    sca_table1,
)
from minisnn.targets.target import Target, reproduce

TARGETS = {
    "esl-table1": esl_table1.TARGET,
    "esl-fig2": esl_fig2.TARGET,
    "esl-fig3": esl_fig3.TARGET,
    "esl-fig4": esl_fig4.TARGET,
    "esl-table2": esl_table2.TARGET,
    "esl-multispike": esl_multispike.TARGET,
    "sca-fig2": sca_fig2.TARGET,
    "sca-fig3": sca_fig3.TARGET,
    "sca-fig4": sca_fig4.TARGET,
    "sca-table1": sca_table1.TARGET,
}

__all__ = ["TARGETS", "Target", "reproduce"]
