/*
 * handlers.h - one handler a route; router.c has the table.
 */
#ifndef FARTHING_API_HANDLERS_H
#define FARTHING_API_HANDLERS_H

struct err;
struct request;

int account_create_handler(struct request *request, struct err *err);
int account_list_handler(struct request *request, struct err *err);
int account_get_handler(struct request *request, struct err *err);
int account_patch_handler(struct request *request, struct err *err);

int key_create_handler(struct request *request, struct err *err);
int key_list_handler(struct request *request, struct err *err);
int key_revoke_handler(struct request *request, struct err *err);
int key_self_handler(struct request *request, struct err *err);

int function_create_handler(struct request *request, struct err *err);
int function_list_handler(struct request *request, struct err *err);
int function_get_handler(struct request *request, struct err *err);
int function_patch_handler(struct request *request, struct err *err);
int function_code_put_handler(struct request *request, struct err *err);
int function_code_get_handler(struct request *request, struct err *err);
int function_delete_handler(struct request *request, struct err *err);
int layer_list_handler(struct request *request, struct err *err);
int layer_version_list_handler(struct request *request, struct err *err);
int layer_publish_handler(struct request *request, struct err *err);
int layer_get_handler(struct request *request, struct err *err);
int layer_code_get_handler(struct request *request, struct err *err);
int layer_delete_handler(struct request *request, struct err *err);
int version_create_handler(struct request *request, struct err *err);
int version_list_handler(struct request *request, struct err *err);
int alias_list_handler(struct request *request, struct err *err);
int alias_put_handler(struct request *request, struct err *err);
int alias_get_handler(struct request *request, struct err *err);
int alias_delete_handler(struct request *request, struct err *err);
int url_list_handler(struct request *request, struct err *err);
int url_get_handler(struct request *request, struct err *err);
int url_put_handler(struct request *request, struct err *err);
int url_delete_handler(struct request *request, struct err *err);

int invocation_create_handler(struct request *request, struct err *err);
int invocation_list_handler(struct request *request, struct err *err);
int invocation_proof_handler(struct request *request, struct err *err);
int log_handler(struct request *request, struct err *err);

int usage_handler(struct request *request, struct err *err);
int usage_all_handler(struct request *request, struct err *err);
int cost_handler(struct request *request, struct err *err);

int quota_list_handler(struct request *request, struct err *err);
int quota_get_handler(struct request *request, struct err *err);
int quota_put_handler(struct request *request, struct err *err);
int quota_delete_handler(struct request *request, struct err *err);
int quota_dry_run_handler(struct request *request, struct err *err);
int notice_list_handler(struct request *request, struct err *err);
int refusal_list_handler(struct request *request, struct err *err);
int quota_escrow_handler(struct request *request, struct err *err);
int quota_level_list_handler(struct request *request, struct err *err);
int spender_list_handler(struct request *request, struct err *err);

int bill_handler(struct request *request, struct err *err);
int bill_all_handler(struct request *request, struct err *err);
int invoice_list_handler(struct request *request, struct err *err);
int invoice_get_handler(struct request *request, struct err *err);
int invoice_document_handler(struct request *request, struct err *err);
int invoice_lines_handler(struct request *request, struct err *err);
int invoice_line_records_handler(struct request *request, struct err *err);
int invoice_void_handler(struct request *request, struct err *err);
int invoice_credit_handler(struct request *request, struct err *err);
int bill_verify_handler(struct request *request, struct err *err);
int credit_list_handler(struct request *request, struct err *err);
int credit_create_handler(struct request *request, struct err *err);
int month_close_get_handler(struct request *request, struct err *err);
int month_close_post_handler(struct request *request, struct err *err);

int price_book_list_handler(struct request *request, struct err *err);
int price_book_get_handler(struct request *request, struct err *err);
int price_book_put_handler(struct request *request, struct err *err);
int rerate_handler(struct request *request, struct err *err);
int price_override_list_handler(struct request *request, struct err *err);
int price_override_put_handler(struct request *request, struct err *err);

int event_handler(struct request *request, struct err *err);
int event_openmeter_handler(struct request *request, struct err *err);

int webhook_list_handler(struct request *request, struct err *err);
int webhook_create_handler(struct request *request, struct err *err);
int webhook_get_handler(struct request *request, struct err *err);
int webhook_delete_handler(struct request *request, struct err *err);
int webhook_deliveries_handler(struct request *request, struct err *err);
int webhook_test_handler(struct request *request, struct err *err);

int audit_handler(struct request *request, struct err *err);
int node_list_handler(struct request *request, struct err *err);

int healthz_handler(struct request *request, struct err *err);
int readyz_handler(struct request *request, struct err *err);
int metrics_handler(struct request *request, struct err *err);
int function_metrics_handler(struct request *request, struct err *err);
int openapi_handler(struct request *request, struct err *err);
int static_handler(struct request *request, struct err *err);

int lambda_invoke_handler(struct request *request, struct err *err);
int lambda_invoke_async_handler(struct request *request, struct err *err);
int lambda_invoke_stream_handler(struct request *request, struct err *err);
int lambda_create_handler(struct request *request, struct err *err);
int lambda_list_handler(struct request *request, struct err *err);
int lambda_get_handler(struct request *request, struct err *err);
int lambda_configuration_get_handler(struct request *request, struct err *err);
int lambda_configuration_put_handler(struct request *request, struct err *err);
int lambda_code_put_handler(struct request *request, struct err *err);
int lambda_delete_handler(struct request *request, struct err *err);
int lambda_version_create_handler(struct request *request, struct err *err);
int lambda_version_list_handler(struct request *request, struct err *err);
int lambda_alias_create_handler(struct request *request, struct err *err);
int lambda_alias_list_handler(struct request *request, struct err *err);
int lambda_alias_get_handler(struct request *request, struct err *err);
int lambda_alias_put_handler(struct request *request, struct err *err);
int lambda_alias_delete_handler(struct request *request, struct err *err);
int lambda_concurrency_put_handler(struct request *request, struct err *err);
int lambda_concurrency_get_handler(struct request *request, struct err *err);
int lambda_concurrency_delete_handler(struct request *request, struct err *err);
int lambda_provisioned_put_handler(struct request *request, struct err *err);
int lambda_provisioned_get_handler(struct request *request, struct err *err);
int lambda_provisioned_delete_handler(struct request *request, struct err *err);
int lambda_account_settings_handler(struct request *request, struct err *err);
int lambda_event_config_put_handler(struct request *request, struct err *err);
int lambda_event_config_update_handler(struct request *request, struct err *err);
int lambda_event_config_get_handler(struct request *request, struct err *err);
int lambda_event_config_delete_handler(struct request *request, struct err *err);
int lambda_event_config_list_handler(struct request *request, struct err *err);
int lambda_package_handler(struct request *request, struct err *err);
int lambda_layer_publish_handler(struct request *request, struct err *err);
int lambda_layer_get_handler(struct request *request, struct err *err);
int lambda_layer_delete_handler(struct request *request, struct err *err);
int lambda_layer_list_handler(struct request *request, struct err *err);
int lambda_layer_version_list_handler(struct request *request, struct err *err);
int lambda_tags_get_handler(struct request *request, struct err *err);
int lambda_tags_put_handler(struct request *request, struct err *err);
int lambda_tags_delete_handler(struct request *request, struct err *err);
int lambda_url_create_handler(struct request *request, struct err *err);
int lambda_url_get_handler(struct request *request, struct err *err);
int lambda_url_put_handler(struct request *request, struct err *err);
int lambda_url_delete_handler(struct request *request, struct err *err);
int lambda_url_list_handler(struct request *request, struct err *err);
int function_url_handler(struct request *request, struct err *err);
int lambda_unsupported_handler(struct request *request, struct err *err);

#endif
