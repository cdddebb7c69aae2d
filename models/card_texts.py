"""What every model card says whatever the build: where the data come from, what the forecast is for.

Input: nothing. Output: texts for `models.model_card`, after Mitchell et al. 2019 (model cards), Gebru et
al. 2021 (datasheets), NIST AI RMF 1.0 (risks, oversight) and articles 13 and 14 of the EU's AI Act.
"""

ORIGIN = """\
**How the data came to be.** Police record what is reported to them and what they find, by forms and
geocoders that change over the years (`feed_health`). Who does not report is missing: in the United
States fewer than half of violent and about a third of property victimizations were reported to
police in 2022 (Bureau of Justice Statistics, "Criminal Victimization, 2022"), and who does differs
by place, offense and trust in police. Nothing here corrects that. Nobody was asked for consent;
names, addresses and victims are not in a build, and the place of sexual and family offenses is
hidden."""

FACTORS = """\
**Looked at:** districts, neighborhoods by expected crimes, hours, offense categories and, where the
operator gives census figures, fifths of the residents by them (`group_audit`,
`mart_model_quality`). **Not looked at, for want of data:** who reports and who does not, who is
stopped or arrested, and where patrols were. Census figures belong to areas: nothing follows for a
person."""

EVALUATION = """\
Forecasts made at past origins, a quarter apart, from what was known before them, on the up to
twelve months after, as reported once they had settled (`backtest_score`, `backtest_month`). Origins
overlap, so that they are fewer than they seem. Forecasts that were published are scored too, as
they were (`track_record`). The same feed is used throughout: a change of what is recorded shows as
a change of crime. Not evaluated: whether the patrol type or any deployment has an effect."""

HOT_SPOTS = """\
This build was asked for hot spots: {cells:,} cells of some 300 m with at least {incidents} incidents in
twelve months, by year, of offenses that the public reports, sexual and family ones left out. They are
past counts that weigh less with age, shrunk toward their surroundings, and foresee no new place. Of the
next year's crimes in {area:.0%} of the cells, means over past origins: {scores}. A cell says nothing
about an address or a person; no hour and no patrol follows from it. To leave them out: a refresh without
`hot_spots`."""

LIMITS = """\
- Reported crime is not crime: counts follow what is reported and recorded.
- Offenses that follow police activity (`offense.is_discretionary`) say where police were as much as
  where crime was. Patrols sent by such counts find more of the same, which feeds back into the next
  counts (Lum & Isaac 2016, "To predict and serve?", Significance 13:5; Ensign et al. 2018, "Runaway
  feedback loops in predictive policing", PMLR 81).
{feedback}
- Where crimes are reported less, fewer are forecast, and nothing here mends that (Akpinar, De-Arteaga &
  Chouldechova 2021, "The effect of differential victim crime reporting on predictive policing
  systems", FAccT).{reversal}
- A patrol type is a rule from the offense, not an observed deployment; that it works is not measured.
- The level of a neighborhood changes, and shocks to the whole city are not foreseen.
- A neighborhood with few incidents has mostly borrowed numbers: see `support_incidents`.
- Incidents count for the hour in which their time window begins; a tenth of windows is longer than a
  day, so the hours of thefts and burglaries are early rather than exact."""

USE = """\
**Intended:** planning of staffing and patrol mix by neighborhood, month and time of day, by people
who know the place; comparison of months and of neighborhoods with their own past.

**Not intended:** any decision about a person, an address or a street; evidence of suspicion; a
ranking of neighborhoods by worth; measuring police performance; anything where a single hour's
number is taken as a fact about that hour.

**Misuse to expect:** a forecast shown as a reason to stop somebody; expected crimes read as crimes
that patrols will prevent; quotas of stops or arrests made from them; insurers, lenders or employers
reading neighborhoods as risks; the all-offense count used for patrols although the reported one is
there."""

OVERSIGHT = """\
**Residual risks:** places that report more get more; a change of the feed moves hours; a group is
forecast too high for months before the scores show it; people trust a number more than it deserves.

**Oversight:** a person who knows the place decides, may depart from any number without giving a
reason to the program, and reads `group_audit` and `track_record` at each refresh. To switch it off:
stop the service (`systemctl stop atlshield`, `./run.sh stop`) and the refresh (`systemctl disable
--now atlshield-refresh.timer`); `make rollback` serves an earlier build. Nothing acts by itself.

**To be decided by an agency before use:** who may see it, and who answers for it; which offenses
count; the least and the most hours of a place; what difference between groups stops its use; when
it is reviewed with the people who live there; how long it may be used without evidence that it
helps."""
