-- The default compression of large texts took most of the time of a registration. A server before
-- 14, or built without LZ4, keeps the default.
DO $$
BEGIN
    EXECUTE 'ALTER TABLE items ALTER COLUMN json SET COMPRESSION lz4';
    EXECUTE 'ALTER TABLE items ALTER COLUMN properties SET COMPRESSION lz4';
    EXECUTE 'ALTER TABLE items ALTER COLUMN geometry SET COMPRESSION lz4';
EXCEPTION
    WHEN feature_not_supported OR syntax_error OR invalid_parameter_value THEN
        NULL;
END
$$;
