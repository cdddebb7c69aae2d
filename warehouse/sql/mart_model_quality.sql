-- `#` stands for the number in a metric's name. A metric that is not named here stops the refresh:
-- nobody has said how to read it.
WITH meaning(family, metric_label, is_lower_better, target_value, reference_model) AS (
    VALUES
        ('poisson_deviance', 'Distance of the counts from the forecast (Poisson deviance)',
         true, 0.0::DOUBLE, 'reference_empirical_bayes'),
        ('deviance_to_reference', 'Deviance as a share of the reference model''s',
         true, 0, 'reference_empirical_bayes'),
        ('deviance_to_reference_lower_#', 'Lower end of the # % interval of that share',
         true, 0, 'reference_empirical_bayes'),
        ('deviance_to_reference_upper_#', 'Upper end of the # % interval of that share',
         true, 0, 'reference_empirical_bayes'),
        ('predicted_to_actual', 'Crimes predicted per crime that happened',
         NULL, 1, 'reference_empirical_bayes'),
        ('mean_absolute_error', 'Crimes off per cell; always predicting none makes it small',
         true, 0, 'reference_empirical_bayes'),
        ('capture_top_#_percent', 'Share of crimes in the # % of hours and places ranked highest',
         false, 1, 'reference_empirical_bayes'),
        ('pai_top_#_percent', 'The same, divided by # % (predictive accuracy index)',
         false, NULL, 'reference_empirical_bayes'),
        ('pei_top_#_percent', 'The same, divided by the best possible (predictive efficiency index)',
         false, 1, 'reference_empirical_bayes'),
        ('expected_crimes', 'Mean of the crimes expected', NULL, NULL, NULL),
        ('observed_crimes', 'Mean of the crimes that happened', NULL, NULL, NULL),
        ('coverage_#', 'Share of counts inside the # % interval', NULL, NULL, NULL),
        ('pinball_#', 'Width and misses of the # % interval (pinball loss)', true, 0, NULL),
        ('patrol_log_loss', 'Surprise at the patrol type that an offense called for (log-loss)',
         true, 0, 'neighborhood_hour_shares'),
        ('patrol_brier', 'Squared error of the shares of patrol types (Brier score)',
         true, 0, 'neighborhood_hour_shares'),
        ('patrol_accuracy', 'Share of offenses that called for the likeliest patrol type',
         false, 1, 'neighborhood_hour_shares'),
        ('patrol_macro_f1', 'Precision and recall of the likeliest patrol type, mean over types (F1)',
         false, 1, 'neighborhood_hour_shares')
),
score AS (
    SELECT
        *,
        regexp_extract(metric, '_(\d+)', 1) AS number,
        regexp_replace(metric, '_\d+', '_#') AS family
    FROM backtest_score
)
SELECT
    score.model,
    score.origin,
    score.horizon_months,
    score.grain,
    score.metric,
    score.value,
    replace(meaning.metric_label, '#', score.number) AS metric_label,
    meaning.is_lower_better,
    CASE family WHEN 'coverage_#' THEN score.number::DOUBLE / 100 ELSE meaning.target_value END
        AS target_value,
    meaning.reference_model,
    reference.value AS reference_value
FROM score
LEFT JOIN meaning USING (family)
LEFT JOIN backtest_score AS reference
    ON reference.model = meaning.reference_model
    AND reference.origin = score.origin
    AND reference.horizon_months = score.horizon_months
    AND reference.grain = score.grain
    AND reference.metric = score.metric
ORDER BY score.origin, score.horizon_months, score.grain, score.metric, score.model
