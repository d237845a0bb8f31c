/*
 * currency.c - ISO 4217: every active code for which minor units are defined.
 */
#include "billing/money.h"

#include "common/err.h"

#include <string.h>

static const char TWO[] = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN "
                          "BZD CAD CDF CHE CHF CHW CNY "
                          "COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD "
                          "HNL HTG HUF IDR ILS INR IRR "
                          "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
                          "MXN MXV MYR MZN NAD NGN NIO "
                          "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD "
                          "SSP STN SVC SYP SZL THB TJS "
                          "TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
static const char ZERO[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
static const char THREE[] = "BHD IQD JOD KWD LYD OMR TND";
static const char FOUR[] = "CLF UYW";

static int digits_of(const char *code)
{
    static const struct {
        const char *codes;
        int digits;
    } LISTS[] = {{TWO, 2}, {ZERO, 0}, {THREE, 3}, {FOUR, 4}};
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++) {
        const char *found = strstr(LISTS[i].codes, code);
        if (found != NULL) {
            return LISTS[i].digits;
        }
    }
    return -1;
}

int currency_find(const char *code, const char *field, struct currency *currency, struct err *err)
{
    int digits = code != NULL && strlen(code) == 3 && strchr(code, ' ') == NULL ? digits_of(code) : -1;
    if (digits < 0) {
        return err_field(err, field, "%s is \"%.10s\"; an ISO 4217 code like USD, EUR or JPY is needed",
                         field[0] == '/' ? field + 1 : field, code == NULL ? "" : code);
    }
    memcpy(currency->code, code, 4);
    currency->minor_digits = digits;
    return 0;
}
