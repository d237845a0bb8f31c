#include "reports/focus_columns.h"

const struct focus_column FOCUS_COLUMNS[] = {
    {{"AllocatedMethodDetails", COLUMN_JSON, true}, FOCUS_V13 | FOCUS_V14, NOTHING},
    {{"AllocatedMethodId", COLUMN_TEXT, true}, FOCUS_V13 | FOCUS_V14, NOTHING},
    {{"AllocatedResourceId", COLUMN_TEXT, true}, FOCUS_V13 | FOCUS_V14, NOTHING},
    {{"AllocatedResourceName", COLUMN_TEXT, true}, FOCUS_V13 | FOCUS_V14, NOTHING},
    {{"AllocatedTags", COLUMN_JSON, true}, FOCUS_V13 | FOCUS_V14, NOTHING},
    {{"AvailabilityZone", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"BilledCost", COLUMN_DECIMAL, false}, FOCUS_ALL, BILLED_COST},
    {{"BillingAccountId", COLUMN_TEXT, false}, FOCUS_ALL, ACCOUNT_ID},
    {{"BillingAccountName", COLUMN_TEXT, true}, FOCUS_ALL, ACCOUNT_NAME},
    {{"BillingAccountType", COLUMN_TEXT, false}, FOCUS_ALL, ACCOUNT_TYPE},
    {{"BillingCurrency", COLUMN_TEXT, false}, FOCUS_ALL, CURRENCY},
    {{"BillingPeriodEnd", COLUMN_TIME, false}, FOCUS_ALL, PERIOD_END},
    {{"BillingPeriodStart", COLUMN_TIME, false}, FOCUS_ALL, PERIOD_START},
    {{"CapacityReservationId", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CapacityReservationStatus", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"ChargeCategory", COLUMN_TEXT, false}, FOCUS_ALL, CATEGORY},
    {{"ChargeClass", COLUMN_TEXT, true}, FOCUS_ALL, CLASS},
    {{"ChargeDescription", COLUMN_TEXT, true}, FOCUS_ALL, DESCRIPTION},
    {{"ChargeFrequency", COLUMN_TEXT, false}, FOCUS_ALL, FREQUENCY},
    {{"ChargePeriodEnd", COLUMN_TIME, false}, FOCUS_ALL, CHARGE_END},
    {{"ChargePeriodStart", COLUMN_TIME, false}, FOCUS_ALL, CHARGE_START},
    {{"CommitmentDiscountCategory", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentDiscountId", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentDiscountName", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentDiscountQuantity", COLUMN_DECIMAL, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentDiscountStatus", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentDiscountType", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentDiscountUnit", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"CommitmentProgramEligibilityDetails", COLUMN_JSON, true}, FOCUS_V14, NOTHING},
    {{"ConsumedQuantity", COLUMN_DECIMAL, true}, FOCUS_ALL, CONSUMED_QUANTITY},
    {{"ConsumedUnit", COLUMN_TEXT, true}, FOCUS_ALL, CONSUMED_UNIT},
    {{"ContractApplied", COLUMN_JSON, true}, FOCUS_V13 | FOCUS_V14, NOTHING},
    {{"ContractedCost", COLUMN_DECIMAL, false}, FOCUS_ALL, CONTRACTED_COST},
    {{"ContractedUnitPrice", COLUMN_DECIMAL, true}, FOCUS_ALL, CONTRACTED_PRICE},
    {{"EffectiveCost", COLUMN_DECIMAL, false}, FOCUS_ALL, BILLED_COST},
    {{"HostProviderName", COLUMN_TEXT, true}, FOCUS_V13 | FOCUS_V14, ISSUER},
    {{"InvoiceDetailId", COLUMN_TEXT, true}, FOCUS_V14, INVOICE_DETAIL_ID},
    {{"InvoiceId", COLUMN_TEXT, true}, FOCUS_ALL, INVOICE_ID},
    {{"InvoiceIssuerName", COLUMN_TEXT, false}, FOCUS_ALL, ISSUER},
    {{"ListCost", COLUMN_DECIMAL, false}, FOCUS_ALL, LIST_COST},
    {{"ListUnitPrice", COLUMN_DECIMAL, true}, FOCUS_ALL, LIST_PRICE},
    {{"PricingCategory", COLUMN_TEXT, true}, FOCUS_ALL, PRICING_CATEGORY},
    {{"PricingCurrency", COLUMN_TEXT, false}, FOCUS_ALL, CURRENCY},
    {{"PricingCurrencyContractedUnitPrice", COLUMN_DECIMAL, true}, FOCUS_ALL, CONTRACTED_PRICE},
    {{"PricingCurrencyEffectiveCost", COLUMN_DECIMAL, false}, FOCUS_ALL, BILLED_COST},
    {{"PricingCurrencyListUnitPrice", COLUMN_DECIMAL, true}, FOCUS_ALL, LIST_PRICE},
    {{"PricingQuantity", COLUMN_DECIMAL, true}, FOCUS_ALL, PRICING_QUANTITY},
    {{"PricingUnit", COLUMN_TEXT, true}, FOCUS_ALL, PRICING_UNIT},
    {{"ProviderName", COLUMN_TEXT, false}, FOCUS_V12 | FOCUS_V13, ISSUER},
    {{"PublisherName", COLUMN_TEXT, false}, FOCUS_V12 | FOCUS_V13, ISSUER},
    {{"RegionId", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"RegionName", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"ResourceId", COLUMN_TEXT, true}, FOCUS_ALL, RESOURCE_ID},
    {{"ResourceName", COLUMN_TEXT, true}, FOCUS_ALL, RESOURCE_NAME},
    {{"ResourceType", COLUMN_TEXT, true}, FOCUS_ALL, RESOURCE_TYPE},
    {{"ServiceCategory", COLUMN_TEXT, false}, FOCUS_ALL, SERVICE_CATEGORY},
    {{"ServiceName", COLUMN_TEXT, false}, FOCUS_ALL, SERVICE_NAME},
    {{"ServiceProviderName", COLUMN_TEXT, false}, FOCUS_V13 | FOCUS_V14, ISSUER},
    {{"ServiceSubcategory", COLUMN_TEXT, false}, FOCUS_ALL, SERVICE_SUBCATEGORY},
    {{"SkuId", COLUMN_TEXT, true}, FOCUS_ALL, SKU_ID},
    {{"SkuMeter", COLUMN_TEXT, true}, FOCUS_ALL, SKU_METER},
    {{"SkuPriceDetails", COLUMN_JSON, true}, FOCUS_ALL, SKU_DETAILS},
    {{"SkuPriceId", COLUMN_TEXT, true}, FOCUS_ALL, SKU_PRICE_ID},
    {{"SubAccountId", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"SubAccountName", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"SubAccountType", COLUMN_TEXT, true}, FOCUS_ALL, NOTHING},
    {{"Tags", COLUMN_JSON, true}, FOCUS_ALL, TAGS},
    {{"x_BillState", COLUMN_TEXT, false}, FOCUS_ALL, X_STATE},
    {{"x_FunctionVersion", COLUMN_TEXT, true}, FOCUS_ALL, X_FUNCTION_VERSION},
    {{"x_MemorySizeMiB", COLUMN_INTEGER, true}, FOCUS_ALL, X_MEMORY},
    {{"x_PriceBook", COLUMN_TEXT, false}, FOCUS_ALL, X_PRICE_BOOK},
    {{"x_PriceBookVersion", COLUMN_INTEGER, false}, FOCUS_ALL, X_PRICE_VERSION},
    {{"x_RoundingAdjustment", COLUMN_DECIMAL, false}, FOCUS_ALL, X_ROUNDING},
};

const size_t FOCUS_COLUMN_COUNT = sizeof FOCUS_COLUMNS / sizeof FOCUS_COLUMNS[0];

unsigned focus_version_bit(enum report_focus_version version)
{
    switch (version) {
    case REPORT_FOCUS_1_2:
        return FOCUS_V12;
    case REPORT_FOCUS_1_3:
        return FOCUS_V13;
    case REPORT_FOCUS_1_4:
        return FOCUS_V14;
    }
    return FOCUS_V14;
}
