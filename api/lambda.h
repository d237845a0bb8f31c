/*
 * lambda.h - the Lambda-compatible side of the API: AWS's errors, names and signatures.
 *
 * Why:       AWS SDKs and the CLI work with --endpoint-url; they read the error class from x-amzn-ErrorType and the
 * message from "message" or "Message", depending on the class.
 */
#ifndef FARTHING_API_LAMBDA_H
#define FARTHING_API_LAMBDA_H

struct admission_refusal;
struct err;
struct request;

void lambda_error_reply(struct request *request, const struct err *err);
/* HTTP status with the error class that fits it. */
void lambda_status_reply(struct request *request, int status, const char *code, const char *detail);
void lambda_refusal_reply(struct request *request, const struct admission_refusal *refusal);

#endif
