-- A metric that is not named here stops the refresh: nobody has said how to read it.
WITH meaning(metric, metric_label, is_lower_better, target_value, reference_model) AS (
    VALUES
        ('poisson_deviance', 'Distance of the counts from the forecast (Poisson deviance)',
         true, 0.0::DOUBLE, 'reference_empirical_bayes'),
        ('deviance_to_reference', 'Deviance as a share of the reference model''s',
         true, 0.0, 'reference_empirical_bayes'),
        ('predicted_to_actual', 'Crimes predicted per crime that happened',
         NULL, 1.0, 'reference_empirical_bayes'),
        ('mean_absolute_error', 'Crimes off per neighborhood, month and hour; predicting none lowers it',
         true, 0.0, 'reference_empirical_bayes'),
        ('capture_top_5_percent', 'Share of crimes in the 5 % of hours and places ranked highest',
         false, 1.0, 'reference_empirical_bayes'),
        ('coverage_80', 'Share of months inside the 80 % interval',
         NULL, 0.8, NULL),
        ('patrol_log_loss', 'Surprise at the patrol type that each offense called for (log-loss)',
         true, 0.0, 'neighborhood_hour_shares')
)
SELECT
    score.model,
    score.origin,
    score.horizon_months,
    score.grain,
    score.metric,
    score.value,
    meaning.metric_label,
    meaning.is_lower_better,
    meaning.target_value,
    meaning.reference_model,
    reference.value AS reference_value
FROM backtest_score AS score
LEFT JOIN meaning USING (metric)
LEFT JOIN backtest_score AS reference
    ON reference.model = meaning.reference_model
    AND reference.origin = score.origin
    AND reference.horizon_months = score.horizon_months
    AND reference.grain = score.grain
    AND reference.metric = score.metric
ORDER BY score.origin, score.grain, score.metric, score.model
