-- Views of an inventory. The triggers in audit.sql read them.

-- The decisions that count: of each reviewer the last one about a landslide. Whoever decides about a landslide that
-- was disputed settles it, so that what others have said before counts no more, unless that is undone.
CREATE VIEW tsmu_votes AS
SELECT one.*
FROM decisions AS one
WHERE one.verdict <> 'undone'
  AND NOT EXISTS (
    SELECT 1
    FROM decisions AS later
    WHERE later.landslide = one.landslide
      AND (later.decided_at, later.OBJECTID) > (one.decided_at, one.OBJECTID)
      AND (
        coalesce(later.reviewer, '') = coalesce(one.reviewer, '')
        OR (
          later.seen = 'disputed' AND later.verdict IN ('accepted', 'edited', 'drawn', 'rejected')
          AND NOT EXISTS (
            SELECT 1
            FROM decisions AS undone
            WHERE undone.landslide = later.landslide AND undone.verdict = 'undone'
              AND coalesce(undone.reviewer, '') = coalesce(later.reviewer, '')
              AND (undone.decided_at, undone.OBJECTID) > (later.decided_at, later.OBJECTID)
          )
        )
      )
  );

-- What the decisions say of each landslide. Reviewers disagree where some found a landslide and others none, and where
-- somebody's outline has not come into the row, since somebody else had changed that meanwhile.
CREATE VIEW tsmu_standing AS
SELECT one.uuid AS landslide,
  CASE
    WHEN EXISTS (SELECT 1 FROM tsmu_votes WHERE landslide = one.uuid AND verdict = 'rejected')
      AND EXISTS (SELECT 1 FROM tsmu_votes WHERE landslide = one.uuid AND verdict IN ('accepted', 'edited', 'drawn'))
      THEN 'disputed'
    WHEN EXISTS (
      SELECT 1
      FROM tsmu_votes AS vote
      WHERE vote.landslide = one.uuid AND vote.geometry_after IS NOT NULL AND vote.geometry_after IS NOT one.geometry
        AND NOT EXISTS (
          SELECT 1
          FROM decisions AS next
          WHERE next.landslide = one.uuid AND next.geometry_before IS vote.geometry_after
        )
    )
      THEN 'disputed'
    WHEN EXISTS (SELECT 1 FROM tsmu_votes WHERE landslide = one.uuid AND verdict = 'rejected') THEN 'rejected'
    WHEN one.original_geometry IS NOT NULL AND one.geometry IS NOT one.original_geometry THEN 'edited'
    ELSE coalesce(
      (
        SELECT CASE verdict WHEN 'drawn' THEN 'accepted' ELSE verdict END
        FROM tsmu_votes
        WHERE landslide = one.uuid
        ORDER BY verdict = 'unsure', decided_at DESC, OBJECTID DESC
        LIMIT 1
      ),
      'unreviewed'
    )
  END AS status
FROM landslides AS one;

-- What waits for a person, and what most needs a look (the largest `priority`). The terms, each from 0 to its factor:
--   4 two reviewers disagree, 2 somebody was unsure;
--   1 the mean probability lies at the threshold (falls to 0 at the far end of the scale);
--   1 its answers change when the images are turned (twice the uncertainty);
--   1 the decoder was chosen by no margin (falls to 0 at a margin of .5);
--   1 models or scenes found it with different probabilities (largest less smallest);
--   1 it is large (1/2 at a hectare, 9/10 at nine);
--   1/2 it looks like several in one, 1/4 it ends where nobody looked.
-- `why` says which of them count, from half of their factor on.
CREATE VIEW review_queue AS
SELECT
  OGC_FID, geometry, uuid, review_status, Confidence, Notes, reviewer,
  CAST(
    round(
      4 * disputed + 2 * unsure + doubt + turned + margin + spread + size
      + 0.5 * coalesce(amalgamated, 0) + 0.25 * coalesce(touches_edge, 0), 3
    ) AS REAL
  ) AS priority,
  substr(
    CASE WHEN disputed THEN ', disputed' ELSE '' END
    || CASE WHEN unsure THEN ', somebody was unsure' ELSE '' END
    || CASE WHEN doubt >= 0.5 THEN ', near the threshold' ELSE '' END
    || CASE WHEN turned >= 0.5 THEN ', uncertain' ELSE '' END
    || CASE WHEN margin >= 0.5 THEN ', decoder chosen by a small margin' ELSE '' END
    || CASE WHEN spread >= 0.5 THEN ', models or scenes differ' ELSE '' END
    || CASE WHEN size >= 0.5 THEN ', large' ELSE '' END
    || CASE WHEN amalgamated THEN ', several in one?' ELSE '' END
    || CASE WHEN touches_edge THEN ', ends where nobody looked' ELSE '' END,
    3
  ) AS why,
  area_m2, prob_mean, threshold, uncertainty, selection_margin, amalgamated, touches_edge, date_min, date_max, decoder,
  found_by, pre_image, post_image
FROM (
  SELECT
    OBJECTID AS OGC_FID, *,
    review_status = 'disputed' AS disputed,
    review_status = 'unsure' AS unsure,
    coalesce(1 - abs(prob_mean - threshold) / max(threshold, 1 - threshold), 0) AS doubt,
    coalesce(min(1, 2 * uncertainty), 0) AS turned,
    coalesce(max(0, 1 - selection_margin / 0.5), 0) AS margin,
    coalesce(
      (SELECT max(seen.prob_mean) - min(seen.prob_mean) FROM observations AS seen WHERE seen.uuid = landslides.uuid), 0
    ) AS spread,
    coalesce(area_m2 / (area_m2 + 10000), 0) AS size
  FROM landslides
  WHERE geometry IS NOT NULL
    AND (review_status IN ('unsure', 'disputed') OR review_status = 'unreviewed' AND coalesce(superseded_by, '') = '')
);
