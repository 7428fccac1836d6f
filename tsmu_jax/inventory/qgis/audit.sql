-- Triggers of the tables `landslides`, `decisions` and `reviewed`, for every program that edits an inventory.
-- The program's own rows have names of version 5 (RFC 9562); rows that people draw or split off have none, or another.

-- A decision changes its landslide, whoever writes it: a page's or LabelMe's file that is imported, or the triggers below.
-- An outline is changed where the row still has the one that the reviewer saw, unless the same reviewer has said something
-- else since: files come in any order. A landslide of which nobody is sure has
-- the confidence that its probability gives it (rows.CONFIDENCE).
CREATE TRIGGER decisions_counted AFTER INSERT ON decisions
BEGIN
  UPDATE landslides
  SET geometry = NEW.geometry_after
  WHERE uuid = NEW.landslide AND NEW.geometry_after IS NOT NULL
    AND geometry IS NEW.geometry_before AND geometry IS NOT NEW.geometry_after
    AND (NEW.verdict = 'undone' OR EXISTS (SELECT 1 FROM tsmu_votes WHERE uuid = NEW.uuid));
  UPDATE landslides
  SET Confidence = CASE
        WHEN prob_mean >= 0.8 THEN 3 WHEN prob_mean >= 0.65 THEN 2 WHEN prob_mean IS NOT NULL THEN 1
      END
  WHERE uuid = NEW.landslide AND Confidence IN (5, 8)
    AND (SELECT status FROM tsmu_standing WHERE landslide = NEW.landslide) IN ('unreviewed', 'unsure', 'disputed');
  UPDATE landslides
  SET review_status = (SELECT status FROM tsmu_standing WHERE landslide = NEW.landslide)
  WHERE uuid = NEW.landslide;
  UPDATE landslides
  SET reviewer = CASE
        WHEN EXISTS (SELECT 1 FROM tsmu_votes WHERE landslide = NEW.landslide) THEN (
          SELECT reviewer FROM tsmu_votes WHERE landslide = NEW.landslide ORDER BY decided_at DESC, OBJECTID DESC LIMIT 1
        )
        WHEN review_status <> 'unreviewed' THEN reviewer
      END,
      reviewed_at = CASE
        WHEN review_status <> 'unreviewed' THEN substr(
          coalesce((SELECT max(decided_at) FROM tsmu_votes WHERE landslide = NEW.landslide), NEW.decided_at), 1, 19
        ) || 'Z'
      END
  WHERE uuid = NEW.landslide;
END;

-- Whoever edits an outline leaves the model's own beside it. Measures of the old outline become empty; the next map
-- that is added measures the new one. What a person has outlined as one landslide is one, unless the same edit says
-- otherwise. A row that a person drew has no outline of a model. The edit is a decision, unless a decision made it.
CREATE TRIGGER landslides_edited AFTER UPDATE OF geometry ON landslides
WHEN NEW.geometry IS NOT OLD.geometry
BEGIN
  UPDATE landslides
  SET original_geometry = CASE
        WHEN model_id IS NULL THEN original_geometry ELSE coalesce(original_geometry, OLD.geometry)
      END,
      amalgamated = CASE WHEN NEW.amalgamated IS OLD.amalgamated THEN 0 ELSE NEW.amalgamated END,
      area_m2 = NULL, perimeter_m = NULL, Latitude = NULL, Longitude = NULL
  WHERE OBJECTID = NEW.OBJECTID;
  INSERT INTO decisions
    (uuid, landslide, verdict, seen, reviewer, decided_at, source, geometry_before, geometry_after)
  SELECT
    lower(
      hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
      || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
    ),
    NEW.uuid,
    CASE
      WHEN NEW.review_status = 'rejected' THEN 'rejected'
      WHEN NEW.model_id IS NOT NULL OR NEW.review_status = 'edited' THEN 'edited'
      ELSE 'drawn'
    END,
    OLD.review_status, NEW.reviewer, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'qgis', OLD.geometry, NEW.geometry
  WHERE NOT EXISTS (
    SELECT 1
    FROM decisions
    WHERE landslide = NEW.uuid AND geometry_before IS OLD.geometry AND geometry_after IS NEW.geometry
      AND OBJECTID = (SELECT max(OBJECTID) FROM decisions WHERE landslide = NEW.uuid)
  );
END;

-- QGIS saves outlines first, and then who changed them.
CREATE TRIGGER landslides_signed AFTER UPDATE OF reviewer ON landslides
WHEN NEW.reviewer IS NOT OLD.reviewer AND NEW.geometry IS OLD.geometry
BEGIN
  UPDATE decisions
  SET reviewer = NEW.reviewer
  WHERE OBJECTID = (SELECT max(OBJECTID) FROM decisions WHERE landslide = NEW.uuid)
    AND source = 'qgis' AND geometry_after IS NEW.geometry AND reviewer IS OLD.reviewer
    AND decided_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 minute');
  UPDATE landslides
  SET review_status = (SELECT status FROM tsmu_standing WHERE landslide = NEW.uuid)
  WHERE OBJECTID = NEW.OBJECTID AND changes() > 0;
END;

-- A changed status is a decision, unless it is what the decisions say. A changed outline is not what the model found:
-- nobody can accept that as such. Who says when is believed.
CREATE TRIGGER landslides_reviewed AFTER UPDATE OF review_status ON landslides
WHEN NEW.review_status IS NOT OLD.review_status AND NEW.geometry IS OLD.geometry
  AND NEW.review_status IN ('unreviewed', 'accepted', 'edited', 'rejected', 'unsure')
  AND NEW.review_status IS NOT (SELECT status FROM tsmu_standing WHERE landslide = NEW.uuid)
BEGIN
  INSERT INTO decisions (uuid, landslide, verdict, seen, reviewer, decided_at, source)
  VALUES (
    lower(
      hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
      || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
    ),
    NEW.uuid,
    CASE NEW.review_status WHEN 'unreviewed' THEN 'undone' ELSE NEW.review_status END,
    OLD.review_status, NEW.reviewer, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'qgis'
  );
  UPDATE landslides
  SET reviewed_at = NEW.reviewed_at
  WHERE OBJECTID = NEW.OBJECTID AND review_status <> 'unreviewed'
    AND NEW.reviewed_at IS NOT OLD.reviewed_at AND NEW.reviewed_at IS NOT NULL;
END;

-- A row that a person draws counts as reviewed. A part that a person splits off a model's landslide counts as edited.
CREATE TRIGGER landslides_drawn AFTER INSERT ON landslides
WHEN NEW.uuid IS NULL OR substr(NEW.uuid, 15, 1) <> '5'
BEGIN
  UPDATE landslides
  SET uuid = coalesce(
        uuid,
        lower(
          hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
          || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
        )
      ),
      found_by = CASE WHEN model_id IS NULL THEN 'people' ELSE 'model' END,
      amalgamated = CASE WHEN model_id IS NULL THEN coalesce(amalgamated, 0) ELSE 0 END,
      area_m2 = NULL, perimeter_m = NULL, Latitude = NULL, Longitude = NULL
  WHERE OBJECTID = NEW.OBJECTID;
  INSERT INTO decisions (uuid, landslide, verdict, reviewer, decided_at, source, geometry_after)
  SELECT
    lower(
      hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
      || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
    ),
    uuid,
    CASE
      WHEN review_status = 'rejected' THEN 'rejected'
      WHEN model_id IS NOT NULL OR review_status = 'edited' THEN 'edited'
      ELSE 'drawn'
    END,
    reviewer, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'qgis', geometry
  FROM landslides
  WHERE OBJECTID = NEW.OBJECTID;
  UPDATE landslides SET reviewed_at = NEW.reviewed_at WHERE OBJECTID = NEW.OBJECTID AND NEW.reviewed_at IS NOT NULL;
END;

-- What people drew can be deleted; that they did stays.
CREATE TRIGGER landslides_removed AFTER DELETE ON landslides
WHEN OLD.uuid IS NOT NULL
BEGIN
  INSERT INTO decisions (uuid, landslide, verdict, seen, reviewer, decided_at, source, geometry_before)
  VALUES (
    lower(
      hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
      || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
    ),
    OLD.uuid, 'undone', OLD.review_status, OLD.reviewer, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'qgis', OLD.geometry
  );
END;

CREATE TRIGGER decisions_worded BEFORE INSERT ON decisions
WHEN NEW.verdict IS NULL OR NEW.verdict NOT IN ('accepted', 'edited', 'rejected', 'unsure', 'drawn', 'undone')
  OR NEW.uuid IS NULL OR NEW.landslide IS NULL OR NEW.decided_at IS NULL
BEGIN
  SELECT raise(ABORT, 'a decision needs a uuid, a landslide, a time, and one of the verdicts');
END;

CREATE TRIGGER decisions_changed
BEFORE UPDATE OF uuid, landslide, verdict, seen, decided_at, source, geometry_before, geometry_after, reason ON decisions
BEGIN
  SELECT raise(ABORT, 'decisions are not changed: add a later one');
END;

CREATE TRIGGER decisions_resigned BEFORE UPDATE OF reviewer ON decisions
WHEN OLD.source <> 'qgis' OR OLD.decided_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 minute')
BEGIN
  SELECT raise(ABORT, 'decisions are not changed: add a later one');
END;

CREATE TRIGGER decisions_kept BEFORE DELETE ON decisions
BEGIN
  SELECT raise(ABORT, 'decisions are not deleted: to undo one, add a later one');
END;

CREATE TRIGGER landslides_status_inserted BEFORE INSERT ON landslides
WHEN NEW.review_status NOT IN ('unreviewed', 'accepted', 'edited', 'rejected', 'unsure', 'disputed')
BEGIN
  SELECT raise(ABORT, 'review_status must be unreviewed, accepted, edited, rejected or unsure');
END;

CREATE TRIGGER landslides_status_updated BEFORE UPDATE OF review_status ON landslides
WHEN NEW.review_status IS NULL
  OR NEW.review_status NOT IN ('unreviewed', 'accepted', 'edited', 'rejected', 'unsure', 'disputed')
BEGIN
  SELECT raise(ABORT, 'review_status must be unreviewed, accepted, edited, rejected or unsure');
END;

CREATE TRIGGER landslides_disputed BEFORE UPDATE OF review_status ON landslides
WHEN NEW.review_status = 'disputed' AND OLD.review_status IS NOT 'disputed'
  AND (SELECT status FROM tsmu_standing WHERE landslide = NEW.uuid) IS NOT 'disputed'
BEGIN
  SELECT raise(ABORT, 'a landslide is disputed once two reviewers disagree: set what you think of it');
END;

CREATE TRIGGER landslides_confidence_inserted BEFORE INSERT ON landslides
WHEN NEW.Confidence NOT IN (1, 2, 3, 5, 8)
  OR (NEW.Confidence IN (5, 8) AND NEW.review_status IN ('unreviewed', 'unsure', 'disputed') AND substr(NEW.uuid, 15, 1) = '5')
BEGIN
  SELECT raise(ABORT, 'Confidence must be 1, 2 or 3, or for reviewed landslides 5 or 8');
END;

-- An edit of the outline is a review too.
CREATE TRIGGER landslides_confidence_updated BEFORE UPDATE OF Confidence, review_status ON landslides
WHEN NEW.Confidence NOT IN (1, 2, 3, 5, 8)
  OR (NEW.Confidence IN (5, 8) AND NEW.review_status IN ('unreviewed', 'unsure', 'disputed') AND NEW.geometry IS OLD.geometry)
BEGIN
  SELECT raise(
    ABORT,
    'Confidence must be 1, 2 or 3 as long as nobody has reviewed the landslide: for 5 or 8 set review_status to accepted'
  );
END;

CREATE TRIGGER landslides_kept BEFORE DELETE ON landslides
WHEN OLD.model_id IS NOT NULL
BEGIN
  SELECT raise(ABORT, 'what a model found is not deleted: set review_status to rejected instead');
END;

CREATE TRIGGER landslides_named BEFORE UPDATE OF uuid ON landslides
WHEN OLD.uuid IS NOT NULL AND NEW.uuid IS NOT OLD.uuid
BEGIN
  SELECT raise(ABORT, 'uuid names the landslide for good and cannot be changed');
END;

CREATE TRIGGER landslides_original BEFORE UPDATE OF original_geometry ON landslides
WHEN OLD.original_geometry IS NOT NULL AND NEW.original_geometry IS NOT OLD.original_geometry
BEGIN
  SELECT raise(ABORT, 'original_geometry keeps the outline that the model found and cannot be changed');
END;

-- Ground that a person draws as reviewed gets a name, a time, and where it comes from.
CREATE TRIGGER reviewed_drawn AFTER INSERT ON reviewed
WHEN NEW.uuid IS NULL
BEGIN
  UPDATE reviewed
  SET uuid = lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
        || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
      ),
      reviewed_at = coalesce(reviewed_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
      source = coalesce(source, 'qgis')
  WHERE OBJECTID = NEW.OBJECTID;
END;
