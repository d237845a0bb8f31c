-- The only Citus statements of Farthing: run once, on the coordinator, after `farthing migrate`, on empty or filled tables.
--
--   psql -v ON_ERROR_STOP=1 -f schema/citus.sql "$DATABASE_URL"
--
-- Everything an account owns is distributed by account_id and stands together, so that what one account needs is on one
-- node. What everybody reads and few write is a reference table. Cursors and holes are distributed by producer. Numbers of
-- invoices (invoice_series) and the audit log stay on the coordinator.
-- Distributing filled tables leaves the old rows on the coordinator's disk until truncate_local_data_after_distributing_table().
SET citus.enable_local_reference_table_foreign_keys = off;

SELECT create_reference_table('price_book');
SELECT create_reference_table('api_key');
SELECT create_reference_table('node');
SELECT create_reference_table('account_name');
SELECT create_reference_table('auth_epoch');
SELECT create_reference_table('seal_run');
SELECT create_reference_table('usage_daily_state');
SELECT create_reference_table('seal_cursor');

SELECT create_distributed_table('account', 'account_id');
SELECT create_distributed_table('usage_record', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('usage_hourly', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('usage_daily', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('usage_day', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('usage_seal', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('usage_refusal', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('event_claim', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('idempotency_key', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('code_blob', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('function', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('function_version', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('function_alias', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('layer', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('layer_version', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('async_event', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('quota', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('quota_change', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('quota_period', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('quota_lease', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('quota_notice', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('webhook', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('webhook_delivery', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('usage_feed', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('price_override', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('invoice_document', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('invoice_line', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('invoice_event', 'account_id', colocate_with => 'account');
SELECT create_distributed_table('invoice_park', 'account_id', colocate_with => 'account');

SELECT create_distributed_table('producer_cursor', 'producer_id');
SELECT create_distributed_table('spool_hole', 'producer_id', colocate_with => 'producer_cursor');
