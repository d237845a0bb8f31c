/*
 * price_default.c - the price book that ships with the program: AWS Lambda's public prices of us-east-1 (2025-10-01)
 * with its perpetual free tier; initialisation is billed from 2025-08-01 on, in steps of 1 ms since 2020-12-01. AWS's
 * text gives 100 GB of streamed bytes free, its own worked example charges from the first byte above 6 MiB a response:
 * the book follows the example.
 */
#include "billing/price_book.h"

static const char DEFAULT_BOOK[] =
    "{\n"
    "  \"name\": \"default\",\n"
    "  \"description\": \"AWS Lambda's public prices, us-east-1, with the free tier\",\n"
    "  \"currency\": \"USD\",\n"
    "  \"rounding\": \"half_up\",\n"
    "  \"policy\": [\n"
    "    {\"from\": \"2014-11-13\", \"grain_ms\": 100, \"bill_init\": [\"provided\"], \"async_kib\": 256},\n"
    "    {\"from\": \"2020-12-01\", \"grain_ms\": 1, \"bill_init\": [\"provided\"], \"async_kib\": 256},\n"
    "    {\"from\": \"2025-08-01\", \"grain_ms\": 1, \"bill_init\": true, \"async_kib\": 256}\n"
    "  ],\n"
    "  \"free\": [\n"
    "    {\"id\": \"free\", \"meters\": [\"requests\"], \"quantity\": \"1000000\"},\n"
    "    {\"id\": \"free\", \"meters\": [\"compute_x86_64\", \"compute_arm64\"], \"quantity\": \"400000\"}\n"
    "  ],\n"
    "  \"meters\": {\n"
    "    \"requests\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.0000002\"}]},\n"
    "    \"compute_x86_64\": {\"bands\": [\n"
    "      {\"id\": \"t1\", \"up_to\": \"6000000000\", \"price\": \"0.0000166667\"},\n"
    "      {\"id\": \"t2\", \"up_to\": \"15000000000\", \"price\": \"0.000015\"},\n"
    "      {\"id\": \"t3\", \"price\": \"0.0000133334\"}]},\n"
    "    \"compute_arm64\": {\"bands\": [\n"
    "      {\"id\": \"t1\", \"up_to\": \"7500000000\", \"price\": \"0.0000133334\"},\n"
    "      {\"id\": \"t2\", \"up_to\": \"18750000000\", \"price\": \"0.0000120001\"},\n"
    "      {\"id\": \"t3\", \"price\": \"0.0000106667\"}]},\n"
    "    \"provisioned_compute_x86_64\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.0000097222\"}]},\n"
    "    \"provisioned_compute_arm64\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.0000077778\"}]},\n"
    "    \"provisioned_concurrency_x86_64\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.0000041667\"}]},\n"
    "    \"provisioned_concurrency_arm64\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.0000033334\"}]},\n"
    "    \"ephemeral_storage\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.0000000309\"}]},\n"
    "    \"streamed_bytes\": {\"bands\": [{\"id\": \"t1\", \"price\": \"0.008\"}]}\n"
    "  }\n"
    "}\n";

const char *price_book_default_json(void)
{
    return DEFAULT_BOOK;
}
