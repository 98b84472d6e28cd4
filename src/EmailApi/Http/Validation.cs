using System.Text.Json;
using FluentValidation;
using FluentValidation.Results;

namespace EmailApi.Http;

/// <summary>What validators share: failures that point into the request, and one way to answer with them.</summary>
static class Validation
{
    /// <summary>What is named in one answer: a small request of nothing but faults must not make an answer many times its size.</summary>
    public const int MaxErrors = 100;

    /// <summary>Adds a failure at a place in the request.</summary>
    /// <param name="at">The names and indexes that lead there, as they stand in the JSON.</param>
    public static void Add<T>(this ValidationContext<T> context, string code, string detail, params object[] at) =>
        context.AddFailure(new ValidationFailure(JsonPointer.Of(at), detail) { ErrorCode = code });

    /// <summary>A field that nobody reads would be a promise that nobody keeps.</summary>
    public static void RefuseUnknown<T>(this ValidationContext<T> context, IReadOnlyDictionary<string, JsonElement>? unknown, params object[] at)
    {
        foreach (var name in unknown?.Keys.Take(MaxErrors + 1) ?? []) context.Add("unknown_field", $"There is no field {JsonPointer.Short(name)}; leave it out.", [.. at, name]);
    }

    /// <exception cref="ProblemException">422 with every fault.</exception>
    public static T Valid<T>(this IValidator<T> validator, T request)
    {
        var result = validator.Validate(request);
        return result.IsValid ? request : throw Invalid(result.Errors.ConvertAll(e => new FieldError(e.PropertyName, e.ErrorCode, e.ErrorMessage)));
    }

    public static ProblemException Invalid(IReadOnlyList<FieldError> errors) => Refusal(ProblemKind.Validation, errors);

    public static ProblemException Refusal(ProblemKind kind, IReadOnlyList<FieldError> errors) => new(kind,
        errors.Count == 1 ? $"{errors[0].Pointer}: {errors[0].Detail}"
        : errors.Count <= MaxErrors ? $"{errors.Count} places are wrong; errors names each."
        : $"More than {MaxErrors} places are wrong; errors names the first {MaxErrors}.",
        errors.Count <= MaxErrors ? errors : [.. errors.Take(MaxErrors)]);
}
