-- Triggers of the table `landslides`, for every program that edits an inventory.
-- The program's own rows have names of version 5 (RFC 9562); rows that people draw or split off have none, or another.

-- Whoever edits an outline leaves the model's own beside it. Measures of the old outline become empty; the next map
-- that is added measures the new one. What a person has outlined as one landslide is one, unless the same edit says
-- otherwise. A row that a person drew has no outline of a model; it counts as accepted where its status is no word of ours.
CREATE TRIGGER landslides_edited AFTER UPDATE OF geometry ON landslides
WHEN NEW.geometry IS NOT OLD.geometry
BEGIN
  UPDATE landslides
  SET original_geometry = CASE
        WHEN model_id IS NULL THEN original_geometry ELSE coalesce(original_geometry, OLD.geometry)
      END,
      review_status = CASE
        WHEN NEW.review_status = 'rejected' THEN 'rejected'
        WHEN model_id IS NOT NULL THEN 'edited'
        WHEN NEW.review_status IN ('unreviewed', 'edited') THEN NEW.review_status
        ELSE 'accepted'
      END,
      reviewed_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now'),
      amalgamated = CASE WHEN NEW.amalgamated IS OLD.amalgamated THEN 0 ELSE NEW.amalgamated END,
      area_m2 = NULL, perimeter_m = NULL, Latitude = NULL, Longitude = NULL
  WHERE OBJECTID = NEW.OBJECTID;
END;

-- One trigger for the state and the time of a review, since the order of several is not defined. A changed outline is not
-- what the model found: nobody can accept that as such. The columns are those of the row as other triggers left it.
CREATE TRIGGER landslides_reviewed AFTER UPDATE OF review_status ON landslides
WHEN NEW.review_status IS NOT OLD.review_status
BEGIN
  UPDATE landslides
  SET review_status = 'edited'
  WHERE OBJECTID = NEW.OBJECTID AND review_status IN ('unreviewed', 'accepted')
    AND original_geometry IS NOT NULL AND geometry IS NOT original_geometry;
  UPDATE landslides
  SET reviewed_at = CASE
        WHEN review_status = 'unreviewed' THEN NULL
        WHEN NEW.reviewed_at IS NOT OLD.reviewed_at AND NEW.reviewed_at IS NOT NULL THEN NEW.reviewed_at
        ELSE strftime('%Y-%m-%dT%H:%M:%SZ', 'now')
      END
  WHERE OBJECTID = NEW.OBJECTID;
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
      review_status = CASE
        WHEN review_status = 'rejected' THEN 'rejected'
        WHEN model_id IS NOT NULL OR review_status = 'edited' THEN 'edited'
        ELSE 'accepted'
      END,
      amalgamated = CASE WHEN model_id IS NULL THEN coalesce(amalgamated, 0) ELSE 0 END,
      reviewed_at = coalesce(reviewed_at, strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
      area_m2 = NULL, perimeter_m = NULL, Latitude = NULL, Longitude = NULL
  WHERE OBJECTID = NEW.OBJECTID;
END;

CREATE TRIGGER landslides_status_inserted BEFORE INSERT ON landslides
WHEN NEW.review_status NOT IN ('unreviewed', 'accepted', 'edited', 'rejected')
BEGIN
  SELECT raise(ABORT, 'review_status must be unreviewed, accepted, edited or rejected');
END;

CREATE TRIGGER landslides_status_updated BEFORE UPDATE OF review_status ON landslides
WHEN NEW.review_status IS NULL OR NEW.review_status NOT IN ('unreviewed', 'accepted', 'edited', 'rejected')
BEGIN
  SELECT raise(ABORT, 'review_status must be unreviewed, accepted, edited or rejected');
END;

CREATE TRIGGER landslides_confidence_inserted BEFORE INSERT ON landslides
WHEN NEW.Confidence NOT IN (1, 2, 3, 5, 8)
  OR (NEW.Confidence IN (5, 8) AND NEW.review_status = 'unreviewed' AND substr(NEW.uuid, 15, 1) = '5')
BEGIN
  SELECT raise(ABORT, 'Confidence must be 1, 2 or 3, or for reviewed landslides 5 or 8');
END;

-- An edit of the outline is a review too.
CREATE TRIGGER landslides_confidence_updated BEFORE UPDATE OF Confidence, review_status ON landslides
WHEN NEW.Confidence NOT IN (1, 2, 3, 5, 8)
  OR (NEW.Confidence IN (5, 8) AND NEW.review_status = 'unreviewed' AND NEW.geometry IS OLD.geometry)
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
