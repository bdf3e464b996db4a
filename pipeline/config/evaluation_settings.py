"""Settings of TFMA's own thresholds."""

from __future__ import annotations

from pydantic import Field

from trainer_modules.settings import Settings


class EvaluationSettings(Settings):
    """Point-value thresholds that TFMA checks for every target; null: not checked.

    They are a first, coarse check. The model gate judges intervals, which count patients instead of
    images.
    """

    min_auc: float = Field(0.5, ge=0, le=1, description="floor of the AUC of both domains together")
    min_auc_in_distribution: float | None = Field(
        0.6, ge=0, le=1, description="floor of the AUC in distribution; null: not checked"
    )
    min_auc_shifted: float | None = Field(
        0.5, ge=0, le=1, description="floor of the AUC under shift; null: not checked"
    )
    max_domain_gap: float | None = Field(
        0.5,
        ge=0,
        le=1,
        description="ceiling of in-distribution minus shifted AUC; null: not checked",
    )
