using EmailApi.Client;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers the client.</summary>
public static class EmailApiServices
{
    /// <summary>Adds <see cref="EmailApiClient"/> over <see cref="IHttpClientFactory"/>. A host checks the options at its start.</summary>
    /// <param name="services">Where the client is added. A <see cref="TimeProvider"/> registered there is used.</param>
    /// <param name="configure">Sets at least <see cref="EmailApiOptions.BaseAddress"/> and <see cref="EmailApiOptions.Key"/>.</param>
    /// <returns>The builder of the HTTP client, for handlers of your own. Do not add a handler that retries: the client does, under one
    /// idempotency key.</returns>
    public static IHttpClientBuilder AddEmailApi(this IServiceCollection services, Action<EmailApiOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);

        services.AddOptionsWithValidateOnStart<EmailApiOptions>().Configure(configure);
        services.AddSingleton<IValidateOptions<EmailApiOptions>, OptionsCheck>();
        return services.AddHttpClient("EmailApi", http => http.Timeout = Timeout.InfiniteTimeSpan)   // TryTimeout is the limit
            .AddTypedClient((http, provider) => new EmailApiClient(
                http, provider.GetRequiredService<IOptions<EmailApiOptions>>().Value, provider.GetService<TimeProvider>()));
    }

    sealed class OptionsCheck : IValidateOptions<EmailApiOptions>
    {
        public ValidateOptionsResult Validate(string? name, EmailApiOptions options) =>
            options.Faults().ToList() is { Count: > 0 } faults ? ValidateOptionsResult.Fail(faults) : ValidateOptionsResult.Success;
    }
}
