SELECT
    score.model,
    score.origin,
    score.horizon_months,
    score.grain,
    score.subset,
    score.metric,
    score.value,
    declared.metric_label,
    declared.metric_family,
    declared.metric_level,
    declared.unit,
    declared.is_lower_better,
    declared.target_value,
    declared.reference_model,
    reference.value AS reference_value
FROM backtest_score AS score
LEFT JOIN score_metric AS declared USING (metric)
LEFT JOIN backtest_score AS reference
    ON reference.model = declared.reference_model
    AND reference.origin = score.origin
    AND reference.horizon_months = score.horizon_months
    AND reference.grain = score.grain
    AND reference.subset = score.subset
    AND reference.metric = score.metric
ORDER BY score.origin, score.horizon_months, score.grain, score.subset, score.metric, score.model
