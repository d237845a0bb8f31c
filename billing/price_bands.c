/*
 * price_bands.c - meters, bands and free allowances of a price book document.
 */
#include "billing/price_book_internal.h"

#include "common/err.h"
#include "common/json.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

static void read_price(struct price_reader *reader, const cJSON *item, const char *pointer, struct price_band *band)
{
    char field[PRICE_POINTER_BYTES];
    struct err err = {0};
    price_at(field, "%s/price", pointer);
    const char *price = price_text(reader, item, pointer, "price", true);
    if (price == NULL) {
        return;
    }
    if (decimal_parse(price, field, PRICE_SCALE_MAX, &band->list_price, &err) != 0) {
        price_problem(reader, field, "%.190s", err.text);
    } else if (band->list_price.value < 0) {
        price_problem(reader, field, "price is %.40s; a price cannot be negative (give credits instead)", price);
    }
    band->contracted_price = band->list_price;
}

static void read_up_to(struct price_reader *reader, const cJSON *item, const char *pointer, enum meter meter,
                       int64_t before, struct price_band *band)
{
    char field[PRICE_POINTER_BYTES];
    price_at(field, "%s/up_to", pointer);
    const char *up_to = price_text(reader, item, pointer, "up_to", false);
    band->up_to = INT64_MAX;
    if (up_to != NULL && price_quantity(reader, field, meter, up_to, &band->up_to) && band->up_to <= before) {
        price_problem(reader, field,
                      "up_to is %.40s; bands must not overlap: it has to be above the end of the band before", up_to);
    }
}

static void read_band(struct price_reader *reader, const cJSON *item, const char *pointer, enum meter meter, int index,
                      int64_t before, struct price_band *band)
{
    static const char *const NAMES[] = {"id", "price_id", "up_to", "price", NULL};
    price_only(reader, item, pointer, NAMES);
    const char *id = price_text(reader, item, pointer, "id", false);
    const char *price_id = price_text(reader, item, pointer, "price_id", false);
    char field[PRICE_POINTER_BYTES];
    if (id == NULL) {
        (void)snprintf(band->id, sizeof band->id, "t%d", index + 1);
    } else if (id[0] == '\0' || text_copy(band->id, sizeof band->id, id) != 0) {
        price_at(field, "%s/id", pointer);
        price_problem(reader, field, "id has %zu characters; 1 to 31 are allowed", strlen(id));
    }
    if (price_id == NULL) {
        char own[sizeof band->id];
        memcpy(own, band->id, sizeof own);
        (void)snprintf(band->price_id, sizeof band->price_id, "%.30s.%.31s", meter_name(meter), own);
    } else if (price_id[0] == '\0' || text_copy(band->price_id, sizeof band->price_id, price_id) != 0) {
        price_at(field, "%s/price_id", pointer);
        price_problem(reader, field, "price_id has %zu characters; 1 to 63 are allowed", strlen(price_id));
    }
    read_up_to(reader, item, pointer, meter, before, band);
    read_price(reader, item, pointer, band);
}

/* What a line names its price by has to be one price. */
static void read_price_id_once(struct price_reader *reader, const char *pointer, const struct price_meter *meter)
{
    const struct price_band *band = &meter->bands[meter->band_count];
    for (int i = 0; i < meter->band_count; i++) {
        if (strcmp(meter->bands[i].price_id, band->price_id) == 0) {
            price_problem(reader, pointer, "price_id %s (<meter>.<id> where there is none) is that of band %d already",
                          band->price_id, i + 1);
            return;
        }
    }
}

static void read_bands(struct price_reader *reader, const cJSON *list, const char *pointer, enum meter meter,
                       struct price_meter *into)
{
    int64_t before = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        char at[PRICE_POINTER_BYTES];
        price_at(at, "%s/bands/%d", pointer, into->band_count);
        if (!cJSON_IsObject(item) || into->band_count == PRICE_BANDS_MAX) {
            price_problem(reader, at, "an object is needed, at most %d bands a meter", PRICE_BANDS_MAX);
            return;
        }
        if (before == INT64_MAX) {
            price_problem(reader, at, "the band before has no up_to, so nothing can follow it");
            return;
        }
        struct price_band *band = &into->bands[into->band_count];
        read_band(reader, item, at, meter, into->band_count, before, band);
        read_price_id_once(reader, at, into);
        before = band->up_to;
        into->band_count++;
    }
    if (into->band_count == 0 || before != INT64_MAX) {
        char at[PRICE_POINTER_BYTES];
        price_at(at, "%s/bands", pointer);
        price_problem(reader, at, "the last band must be open (without up_to), so that every quantity has a price");
    }
}

static void read_model(struct price_reader *reader, const cJSON *item, const char *pointer, enum meter meter,
                       struct price_meter *into)
{
    const char *model = price_text(reader, item, pointer, "model", false);
    const char *package = price_text(reader, item, pointer, "package", false);
    char field[PRICE_POINTER_BYTES];
    price_at(field, "%s/model", pointer);
    if (model == NULL || strcmp(model, "graduated") == 0) {
        into->model = PRICE_GRADUATED;
    } else if (strcmp(model, "volume") == 0) {
        into->model = PRICE_VOLUME;
    } else if (strcmp(model, "package") == 0) {
        into->model = PRICE_PACKAGE;
    } else {
        price_problem(reader, field, "model is \"%.30s\"; graduated, volume or package is needed", model);
    }
    price_at(field, "%s/package", pointer);
    if ((into->model == PRICE_PACKAGE) != (package != NULL)) {
        price_problem(reader, field, "package is the size of a package: needed with model package and only there");
    } else if (package != NULL) {
        (void)price_quantity(reader, field, meter, package, &into->package);
    }
    if (into->model == PRICE_PACKAGE && into->band_count > 1) {
        price_problem(reader, field, "a package meter has one band");
    }
}

void price_read_meters(struct price_reader *reader, const cJSON *meters, struct price_book *book)
{
    static const char *const NAMES[] = {"model", "package", "bands", NULL};
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, meters)
    {
        char at[PRICE_POINTER_BYTES];
        struct err err = {0};
        enum meter meter = METER_REQUESTS;
        price_at(at, "/meters/%.60s", item->string);
        if (meter_parse(item->string, at, &meter, &err) != 0) {
            price_problem(reader, at, "%.190s", err.text);
            continue;
        }
        const cJSON *bands = cJSON_GetObjectItemCaseSensitive(item, "bands");
        if (!cJSON_IsObject(item) || !cJSON_IsArray(bands)) {
            price_problem(reader, at, "an object with a list bands is needed");
            continue;
        }
        struct price_meter *into = &book->meters[meter];
        *into = (struct price_meter){.priced = true};
        price_only(reader, item, at, NAMES);
        read_bands(reader, bands, at, meter, into);
        read_model(reader, item, at, meter, into);
    }
}

static void read_free_meters(struct price_reader *reader, const cJSON *list, const char *pointer,
                             const struct price_book *book, struct price_free *free)
{
    const cJSON *name = NULL;
    if (!cJSON_IsArray(list)) {
        price_problem(reader, pointer, "meters must be a list of at least one meter");
        return;
    }
    cJSON_ArrayForEach(name, list)
    {
        char at[PRICE_POINTER_BYTES];
        struct err err = {0};
        enum meter meter = METER_REQUESTS;
        price_at(at, "%s/meters/%d", pointer, free->meter_count);
        if (!cJSON_IsString(name) || meter_parse(name->valuestring, at, &meter, &err) != 0) {
            price_problem(reader, at, "%.190s", err.text[0] != '\0' ? err.text : "a meter's name is needed");
            return;
        }
        if (free->meter_count > 0 && meter_per_pricing_unit(meter) != meter_per_pricing_unit(free->meters[0])) {
            price_problem(reader, at, "%s is not counted in %s like the meters before it", name->valuestring,
                          meter_unit(free->meters[0]));
            return;
        }
        for (int i = 0; i < book->free_count; i++) {
            for (int k = 0; k < book->free[i].meter_count; k++) {
                if (book->free[i].meters[k] == meter) {
                    price_problem(reader, at, "%s has a free allowance already (%s)", name->valuestring,
                                  book->free[i].id);
                    return;
                }
            }
        }
        for (int i = 0; i < free->meter_count; i++) {
            if (free->meters[i] == meter) {
                price_problem(reader, at, "%s is named twice", name->valuestring);
                return;
            }
        }
        free->meters[free->meter_count++] = meter;
    }
    if (free->meter_count == 0) {
        price_problem(reader, pointer, "meters must name at least one meter");
    }
}

/* Its lines are named <meter>.<id>, and so may be a band. */
static void check_free_ids(struct price_reader *reader, const char *pointer, const struct price_book *book,
                           const struct price_free *free)
{
    char price_id[sizeof book->meters[0].bands[0].price_id];
    for (int k = 0; k < free->meter_count; k++) {
        const struct price_meter *meter = &book->meters[free->meters[k]];
        (void)snprintf(price_id, sizeof price_id, "%.30s.%.31s", meter_name(free->meters[k]), free->id);
        for (int i = 0; i < meter->band_count; i++) {
            if (strcmp(meter->bands[i].price_id, price_id) == 0) {
                price_problem(reader, pointer, "price id %s is that of a band already", price_id);
                return;
            }
        }
    }
}

void price_read_free(struct price_reader *reader, const cJSON *list, struct price_book *book)
{
    static const char *const NAMES[] = {"id", "meters", "quantity", NULL};
    int index = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        char at[PRICE_POINTER_BYTES];
        char field[PRICE_POINTER_BYTES];
        price_at(at, "/free/%d", index++);
        if (!cJSON_IsObject(item) || book->free_count == PRICE_FREE_MAX) {
            price_problem(reader, at, "an object is needed, at most %d of them", PRICE_FREE_MAX);
            return;
        }
        price_only(reader, item, at, NAMES);
        struct price_free free = {0};
        const char *id = price_text(reader, item, at, "id", true);
        if (id != NULL && (id[0] == '\0' || text_copy(free.id, sizeof free.id, id) != 0)) {
            price_problem(reader, at, "id has %zu characters; 1 to 31 are allowed", strlen(id));
        }
        read_free_meters(reader, cJSON_GetObjectItemCaseSensitive(item, "meters"), at, book, &free);
        const char *quantity = price_text(reader, item, at, "quantity", true);
        price_at(field, "%s/id", at);
        check_free_ids(reader, field, book, &free);
        price_at(field, "%s/quantity", at);
        if (quantity != NULL && free.meter_count > 0) {
            (void)price_quantity(reader, field, free.meters[0], quantity, &free.quantity);
        }
        book->free[book->free_count++] = free;
    }
}
