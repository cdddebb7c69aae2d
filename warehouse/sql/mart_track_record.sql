SELECT
    forecast_build_id,
    any_value(cutoff) AS cutoff,
    target_month,
    any_value(age_months) AS age_months,
    grain,
    max(value) FILTER (metric = 'observed_crimes') AS observed_crimes,
    max(value) FILTER (metric = 'expected_crimes') AS expected_month_crimes,
    max(reference_value) FILTER (metric = 'expected_crimes') AS reference_month_crimes,
    max(value) FILTER (metric = 'predicted_to_actual') AS predicted_to_actual,
    max(value) FILTER (metric = 'poisson_deviance') AS poisson_deviance,
    max(reference_value) FILTER (metric = 'poisson_deviance') AS reference_deviance,
    max(value / nullif(reference_value, 0)) FILTER (metric = 'poisson_deviance' AND grain <> 'city_month')
        AS deviance_to_reference,
    max(value) FILTER (metric = 'coverage_80') AS coverage_80,
    max(value) FILTER (metric = 'coverage_95') AS coverage_95,
    max(value) FILTER (metric = 'month_lower_80') AS month_lower_80,
    max(value) FILTER (metric = 'month_upper_80') AS month_upper_80,
    max(value) FILTER (metric = 'month_lower_95') AS month_lower_95,
    max(value) FILTER (metric = 'month_upper_95') AS month_upper_95
FROM track_record
GROUP BY forecast_build_id, target_month, grain
ORDER BY cutoff, forecast_build_id, target_month, grain
